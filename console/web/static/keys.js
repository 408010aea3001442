// Single keys press the buttons that carry them. Every key is handled when it is pressed, from what
// is on the page by then, so that E and 1 pressed in one breath escalate; what is pressed while an
// answer is on its way waits for the next item.
(() => {
  "use strict";

  const find = (selector, root = document) => root.querySelector(selector);
  const all = (selector) => document.querySelectorAll(selector);
  const keysOn = () => localStorage.getItem("stagegate-keys") !== "off";
  const onItsWay = () => find("#item[data-busy]") !== null;
  let held = [];

  const writes = (element) =>
    element.isContentEditable ||
    element.tagName === "TEXTAREA" ||
    element.tagName === "SELECT" ||
    (element.tagName === "INPUT" && !["checkbox", "radio", "button"].includes(element.type));

  const carrier = (key) => {
    const dialog = find("dialog[open]");
    return [...all("[data-key]")].find(
      (each) => each.dataset.key === key && !each.closest("[hidden]") && each.closest("dialog") === dialog,
    );
  };

  // The letter of a key; on a keyboard of another script the one that is printed where we have it.
  // The row of digits gives digits also where they are printed above something else.
  const named = (event) => {
    const physical = /^(?:Key|Digit)(.)$/.exec(event.code);
    const foreign = event.key.length === 1 && (event.key > "~" || event.code.startsWith("Digit"));
    return (foreign && physical && !event.shiftKey ? physical[1] : event.key).toLowerCase();
  };

  document.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === modifier() && !event.repeat) corrected = false;
    const label = !writes(event.target) && keysOn() && chord(event);
    if (label) return correct(event, label);
    if (event.altKey) return;
    if (event.target.dataset.remap) return remap(event);
    if (writes(event.target)) return written(event);
    if (event.ctrlKey || event.metaKey) return undoes(event);
    const key = named(event);
    if (!keysOn() && key !== "?") return;
    if (onItsWay()) return hold(event, key);
    const target = carrier(key);
    if (!target) return;
    event.preventDefault();
    if (!event.repeat) press(target);
  });

  const press = (target) => {
    if (writes(target) || "goes" in target.dataset) target.focus();
    else target.click();
  };

  const written = (event) => {
    const { id } = event.target;
    if (event.key === "Escape" && (id === "comment" || id === "find")) find("#item-title").focus();
    if (event.key !== "Enter") return;
    const sends = "atMost" in event.target.dataset && find("button", event.target.parentElement);
    const first = () => find("label.label:not([hidden]) input") ?? find("button[data-answer]:not([hidden])");
    const label = id === "find" && event.target.value && first();
    if (sends || id === "find") event.preventDefault();
    if (!event.repeat) (sends || label || null)?.click();
  };

  const undoes = (event) => {
    const button = find("#undo:not([hidden]) [data-act=undo]");
    if (event.key.toLowerCase() !== "z" || event.shiftKey || !button) return;
    event.preventDefault();
    if (!event.repeat) button.click();
  };

  // ---- the answer before, changed by one chord -------------------------------------------------

  const modifier = () => localStorage.getItem("stagegate-chord") || "Shift";
  let corrected = false; // by this press of the modifier: who lets go of it late means an answer

  // What is printed above a digit may have a meaning of its own: many keyboards have "/" on Shift+7.
  const hasMeaning = ({ key, shiftKey }) => shiftKey && !/^\d$/.test(key) && carrier(key.toLowerCase());

  const chord = (event) => {
    const { shiftKey, altKey, ctrlKey, metaKey } = event;
    const alone = shiftKey === (modifier() === "Shift") && altKey === (modifier() === "Alt");
    if (!alone || ctrlKey || metaKey || hasMeaning(event)) return undefined;
    return /^Digit(\d)$/.exec(event.code)?.[1];
  };

  const unchanged = (undo) =>
    undo
      ? `Nothing changed: undo that answer with ${undo.dataset.key.toUpperCase()} to change it.`
      : "Nothing changed: no answer before can be changed any more.";

  const uncorrectable = (target) => {
    if (corrected) return `Not taken: let go of ${modifier()} first.`;
    if (onItsWay() || find("#notice .htmx-request")) return "Not taken, too early.";
    if (!find("#correct:not([hidden])")) return unchanged(find("#undo:not([hidden]) [data-act=undo]"));
    if (!target) return "Nothing changed: no label has that key.";
    return target.disabled ? "Nothing changed: that is your answer already." : "";
  };

  const correct = (event, key) => {
    if (find("dialog[open]:not(#correct)")) return;
    event.preventDefault();
    if (event.repeat) return;
    const target = find(`#correct [data-key="${key}"]`);
    const detail = uncorrectable(target);
    if (detail) return document.dispatchEvent(new CustomEvent("answer-refused", { detail }));
    corrected = true;
    target.click();
  };

  // ---- while an answer is on its way -----------------------------------------------------------

  // No label: that would answer a photograph which nobody has seen. But what opens a dialog or a
  // text field may come early, and then what follows is meant for that.
  const hold = (event, key) => {
    if (key === "escape") held = [];
    if (event.repeat || key.length > 1) return;
    const target = carrier(key);
    const opens = target && ("opens" in target.dataset || writes(target));
    if (target && "answer" in target.dataset && held.length === 0)
      document.dispatchEvent(new CustomEvent("answer-refused"));
    if (!opens && held.length === 0) return;
    event.preventDefault();
    held.push({ key, typed: event.key });
  };

  const release = () => {
    const came = held;
    held = [];
    for (const [place, { key }] of came.entries()) {
      const target = carrier(key);
      if (!target) return;
      press(target);
      if (writes(target)) return write(target, came.slice(place + 1));
    }
  };

  const write = (field, keys) => {
    field.value += keys.map(({ typed }) => typed).join("");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };

  document.addEventListener("htmx:afterRequest", (event) => {
    if (!event.detail.successful) held = [];
  });

  // ---- a label by its letters ------------------------------------------------------------------

  const narrow = (words) => {
    for (const label of all(".answers button[name=label], .answers label.label")) {
      const { value } = find("input", label) ?? label;
      label.hidden = !value.toLowerCase().includes(words.toLowerCase());
    }
    for (const none of all(".answers button[name=none]")) none.hidden = words !== "";
  };

  document.addEventListener("input", (event) => {
    if (event.target.id === "find") narrow(event.target.value.trim());
  });

  // ---- keys of one's own -----------------------------------------------------------------------

  const ownKeys = () => {
    try {
      return JSON.parse(localStorage.getItem("stagegate-keymap")) || {};
    } catch {
      return {};
    }
  };

  const usual = {};
  for (const box of all("[data-remap]")) usual[box.dataset.remap] = box.value.toLowerCase();

  const applyKeys = () => {
    for (const cap of all("[data-chord]")) cap.textContent = modifier();
    for (const label of all("#correct [data-key]"))
      label.setAttribute("aria-keyshortcuts", `${modifier()}+${label.dataset.key}`);
    for (const [act, key] of Object.entries({ ...usual, ...ownKeys() })) {
      const shown = key.toUpperCase();
      const box = find(`[data-remap="${act}"]`);
      if (box) box.value = shown;
      for (const cap of all(`[data-shows="${act}"]`)) cap.textContent = shown;
      for (const each of all(`[data-act="${act}"]`)) {
        each.dataset.key = key;
        each.setAttribute("aria-keyshortcuts", shown + (act === "undo" ? " Control+Z" : ""));
        const cap = find("kbd", each);
        if (cap) cap.textContent = shown;
      }
    }
  };

  const remap = (event) => {
    if (event.key.length !== 1 || event.key === " " || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const { remap: act } = event.target.dataset;
    const key = event.key.toLowerCase();
    const map = { ...usual, ...ownKeys() };
    const taken = Object.keys(map).find((other) => other !== act && map[other] === key);
    const said = find("#remap-said");
    if (/[0-9?]/.test(key) || event.code.startsWith("Digit") || taken) {
      said.textContent = `“${key.toUpperCase()}” is taken; choose another key.`;
      return;
    }
    localStorage.setItem("stagegate-keymap", JSON.stringify({ ...ownKeys(), [act]: key }));
    said.textContent = `Now on “${key.toUpperCase()}”.`;
    applyKeys();
  };

  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-resets]")) return;
    localStorage.removeItem("stagegate-keymap");
    localStorage.removeItem("stagegate-chord");
    find("#chord").value = modifier();
    applyKeys();
  });

  const switchKeys = find("#keys-on");
  if (switchKeys) {
    switchKeys.checked = keysOn();
    switchKeys.addEventListener("change", () =>
      localStorage.setItem("stagegate-keys", switchKeys.checked ? "on" : "off"),
    );
  }

  const chooseChord = find("#chord");
  if (chooseChord) {
    chooseChord.value = modifier();
    chooseChord.addEventListener("change", () => {
      localStorage.setItem("stagegate-chord", chooseChord.value);
      applyKeys();
    });
  }

  // Before the desk announces what came.
  document.addEventListener("htmx:afterSettle", applyKeys);
  document.addEventListener("item-shown", () => {
    applyKeys();
    release();
  });
})();

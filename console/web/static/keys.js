// The review table under the fingers: single keys press the buttons that carry them, a lease is
// renewed while somebody is there, and an answer that was not saved is loud and stays.
(() => {
  "use strict";

  // An answer cannot be meant for a photograph that has only just appeared: this swallows the
  // second half of a double click and a bouncing key.
  const SETTLE_MS = 200;
  const LOOK_MS = 2000;
  const REFRESH_MS = 10000;
  const WARN_SECONDS = 60;
  const PRESENT_MS = 5 * 60 * 1000;

  const find = (selector, root = document) => root.querySelector(selector);
  const visible = () => document.visibilityState === "visible";
  let leaseEnds = 0;
  let leaseLength = 0;
  let renewing = false;
  let lastSeen = performance.now();
  let lastAnswer = null;

  // ---- keys ------------------------------------------------------------------------------------

  const writes = (element) =>
    element.isContentEditable ||
    element.tagName === "TEXTAREA" ||
    element.tagName === "SELECT" ||
    (element.tagName === "INPUT" && !["checkbox", "radio", "button"].includes(element.type));

  const keysOn = () => localStorage.getItem("stagegate-keys") !== "off";

  const carrier = (key) => {
    const scope = find("dialog[open]") || document;
    return [...scope.querySelectorAll("[data-key]")].find(
      (each) => each.dataset.key === key && each.closest("dialog") === find("dialog[open]"),
    );
  };

  document.addEventListener("keydown", (event) => {
    lastSeen = performance.now();
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (writes(event.target)) {
      if (event.key === "Escape" && event.target.id === "comment") focusItem();
      return;
    }
    if (!keysOn() && event.key !== "?") return;
    if (event.key.toLowerCase() === "z") return zoom(event);
    const target = carrier(event.key.toLowerCase());
    if (!target) return;
    event.preventDefault();
    if (event.repeat) return;
    if (writes(target)) target.focus();
    else target.click();
  });

  const zoom = (event) => {
    const photo = find("#photo");
    if (!photo || event.repeat || find("dialog[open]")) return;
    photo.classList.toggle("own-size");
  };

  // ---- clicks ----------------------------------------------------------------------------------

  document.addEventListener(
    "click",
    (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      if (button.dataset.opens) return find("#" + button.dataset.opens).showModal();
      if ("closes" in button.dataset) return button.closest("dialog").close();
      if (button.dataset.copies) return copy(button);
      if (!("answer" in button.dataset || "skip" in button.dataset)) return;
      const item = find("#item");
      if (event.detail > 1 || !("ready" in item.dataset)) {
        event.preventDefault();
        event.stopImmediatePropagation();
        return;
      }
      lastAnswer = button;
      for (const each of item.querySelectorAll(".chosen")) each.classList.remove("chosen");
      button.classList.add("chosen");
    },
    true,
  );

  const copy = async (button) => {
    const text = document.getElementById(button.dataset.copies);
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
      announce("Copied");
    } catch {
      // Without leave to write to the clipboard the text is at least marked.
      getSelection().selectAllChildren(text);
    }
  };

  for (const name of ["pointerdown", "pointermove", "wheel", "touchstart"]) {
    document.addEventListener(name, () => (lastSeen = performance.now()), { passive: true });
  }

  // ---- an item appears -------------------------------------------------------------------------

  const announce = (text) => {
    find("#announce").textContent = text;
  };

  const focusItem = () => {
    const title = find("#item-title");
    if (title) title.focus({ preventScroll: true });
  };

  const begin = () => {
    const item = find("#item");
    if (!item) return;
    takeLease();
    const photo = find("#photo");
    if (photo) {
      const broken = () => {
        find("#photo-broken").hidden = false;
        photo.hidden = true;
      };
      if (photo.complete && photo.naturalWidth === 0) broken();
      photo.addEventListener("error", broken);
    }
    setTimeout(() => (item.dataset.ready = ""), SETTLE_MS);
  };

  const appeared = () => {
    find("#failure").replaceChildren();
    lastAnswer = null;
    begin();
    const notice = find("#notice");
    const title = find("#item-title");
    announce([notice, title].map((each) => (each ? each.textContent.trim() : "")).join(" "));
    focusItem();
    window.scrollTo(0, 0);
  };

  document.addEventListener("htmx:afterSwap", (event) => {
    // The swapped element is gone by now; what came in its place has the same id.
    const id = event.detail.target.id;
    if (id === "item") appeared();
    else if (id === "lease") takeLease();
    else if (id === "content") announce("");
  });

  // ---- what goes wrong -------------------------------------------------------------------------

  const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1).replace(/\.?$/, ".");

  const failed = (event, why) => {
    const source = event.detail.elt;
    const box = find("#failure");
    const said = lastAnswer && (lastAnswer.dataset.answer || lastAnswer.dataset.skip);
    const text = document.createElement("p");
    if (!said || ["renew", "item", "content"].includes(source.id)) {
      renewing = false;
      text.textContent = `⚠ ${why} The page keeps trying.`;
      box.replaceChildren(text);
      return;
    }
    text.textContent = `⚠ Not saved: “${said}”. ${why} Your answer is still here.`;
    const again = document.createElement("button");
    again.type = "button";
    again.className = "primary";
    again.textContent = "Send it again";
    const button = lastAnswer;
    again.addEventListener("click", () => {
      box.replaceChildren();
      button.click();
    });
    box.replaceChildren(text, again);
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    again.focus();
  };

  document.addEventListener("htmx:responseError", (event) => {
    const answer = event.detail.xhr;
    const plain = (answer.getResponseHeader("Content-Type") || "").startsWith("text/plain");
    failed(event, plain ? sentence(answer.responseText) : `The service answered ${answer.status}.`);
  });
  document.addEventListener("htmx:sendError", (event) => failed(event, "The service cannot be reached."));
  document.addEventListener("htmx:timeout", (event) => failed(event, "The service did not answer in time."));
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful && !find("#failure button")) find("#failure").replaceChildren();
  });

  // ---- the lease -------------------------------------------------------------------------------

  const takeLease = () => {
    const lease = find("#lease");
    renewing = false;
    if (!lease || "lost" in lease.dataset) {
      leaseEnds = 0;
      if (lease) announce(lease.textContent.trim());
      return;
    }
    leaseLength = Number(lease.dataset.seconds) * 1000;
    leaseEnds = performance.now() + leaseLength;
  };

  const tick = () => {
    const place = find("#lease [data-clock]");
    if (!place || !leaseEnds) return;
    const left = Math.max(0, Math.floor((leaseEnds - performance.now()) / 1000));
    const present = visible() && performance.now() - lastSeen < PRESENT_MS;
    place.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    if (present && !renewing && left * 1000 < leaseLength / 2) {
      renewing = true;
      htmx.trigger("#renew", "renew");
    } else if (!present && left === WARN_SECONDS) {
      announce("The item is kept for you for one more minute; press any key to keep it longer.");
    }
    find("#lease").classList.toggle("soon", left < WARN_SECONDS);
    if (left === 0) place.textContent = "no longer; your answer counts unless somebody took it";
  };

  // ---- an empty queue looks again, a dashboard refreshes ---------------------------------------

  const look = () => {
    const item = find("#item[data-empty]");
    if (item && visible()) htmx.trigger(item, "look");
  };

  const refresh = () => {
    const content = find("#content[data-refresh]");
    const busy = document.activeElement !== document.body && document.activeElement !== content;
    if (!content || !visible() || busy || !getSelection().isCollapsed) return;
    if (find("details[open]")) return;
    htmx.ajax("GET", content.dataset.refresh, {
      source: content,
      target: "#content",
      select: "#content",
      swap: "outerHTML",
    });
  };

  const switchKeys = find("#keys-on");
  if (switchKeys) {
    switchKeys.checked = keysOn();
    switchKeys.addEventListener("change", () =>
      localStorage.setItem("stagegate-keys", switchKeys.checked ? "on" : "off"),
    );
  }
  begin();
  if (find("#item")) focusItem();
  setInterval(tick, 1000);
  setInterval(look, LOOK_MS);
  setInterval(refresh, REFRESH_MS);
})();

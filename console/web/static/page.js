// What every page can do: open its dialogs, copy a command, keep itself up to date, and be loud
// when something did not get through.
(() => {
  "use strict";

  const REFRESH_MS = 10000;
  const find = (selector, root = document) => root.querySelector(selector);
  const announce = (text) => (find("#announce").textContent = text);

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const { opens, copies } = button.dataset;
    if (opens && !find("#" + opens).open) find("#" + opens).showModal();
    if ("closes" in button.dataset) button.closest("dialog").close();
    if (copies) copy(button);
  });

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

  // ---- what goes wrong -------------------------------------------------------------------------

  const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1).replace(/\.?$/, ".");

  const failed = (event, why) => {
    const { elt } = event.detail;
    const sent = elt.matches("[data-sent]") ? elt : find("[data-sent]", elt);
    const text = document.createElement("p");
    if (!sent) {
      text.textContent = `⚠ ${why} The page keeps trying.`;
      find("#failure").replaceChildren(text);
      return;
    }
    text.textContent = `⚠ Not saved: “${sent.dataset.sends}”. ${why} Nothing of it is lost here.`;
    const again = sendAgain(sent);
    find("#failure").replaceChildren(text, again);
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    again.focus();
  };

  const sendAgain = (sent) => {
    const again = document.createElement("button");
    again.type = "button";
    again.className = "primary";
    again.textContent = "Send it again";
    again.addEventListener("click", () => {
      find("#failure").replaceChildren();
      sent.click();
    });
    return again;
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

  // ---- a dashboard refreshes -------------------------------------------------------------------

  const refresh = () => {
    const content = find("#content[data-refresh]");
    const busy = document.activeElement !== document.body && document.activeElement !== content;
    if (!content || document.visibilityState !== "visible" || busy || !getSelection().isCollapsed) return;
    if (find("details[open]")) return;
    htmx.ajax("GET", content.dataset.refresh, {
      source: content,
      target: "#content",
      select: "#content",
      swap: "outerHTML",
    });
  };

  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id === "content") announce("");
  });
  setInterval(refresh, REFRESH_MS);
})();

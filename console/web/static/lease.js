// For how long the item is kept for its reviewer: renewed while somebody is there, told when it
// ends. An empty desk looks for work instead.
(() => {
  "use strict";

  const LOOK_MS = 2000;
  const WARN_SECONDS = 60;
  const PRESENT_MS = 5 * 60 * 1000;

  const find = (selector, root = document) => root.querySelector(selector);
  const visible = () => document.visibilityState === "visible";
  const announce = (text) => (find("#announce").textContent = text);
  let leaseEnds = 0;
  let leaseLength = 0;
  let renewing = false;
  let lastSeen = performance.now();

  for (const name of ["keydown", "pointerdown", "pointermove", "wheel", "touchstart"]) {
    document.addEventListener(name, () => (lastSeen = performance.now()), { passive: true });
  }

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

  const look = () => {
    const item = find("#item[data-empty]");
    if (item && visible()) htmx.trigger(item, "look");
  };

  // ---- who leaves the page gives back what they have --------------------------------------------

  const RELEASED = "stagegate-released";
  const claims = () => {
    const { claim, ahead } = find("#item")?.dataset ?? {};
    const alike = [...document.querySelectorAll("#item [name=items]")].map((box) => box.value);
    return [claim, ahead, ...alike].filter(Boolean);
  };

  const giveBack = () => {
    const headers = JSON.parse(document.body.getAttribute("hx-headers") || "{}");
    for (const claim of claims()) {
      const [, item, epoch] = /^(.*):(\d+)$/.exec(claim);
      const body = new URLSearchParams({ epoch });
      const sent = { method: "POST", body, headers, keepalive: true, redirect: "manual" };
      fetch(`/review/${encodeURIComponent(item)}/release`, sent).catch(() => {}); // it ends by itself
    }
    sessionStorage.setItem(RELEASED, JSON.stringify(claims()));
  };

  // A reloaded page can be given its item before the release arrives: it asks for it once more.
  const keepAfterAll = () => {
    const released = JSON.parse(sessionStorage.getItem(RELEASED) || "[]");
    sessionStorage.removeItem(RELEASED);
    if (released.includes(find("#item")?.dataset.claim)) htmx.trigger("#renew", "renew");
  };

  window.addEventListener("pagehide", giveBack);
  window.addEventListener("pageshow", (event) => {
    const many = find("#item[data-grid]");
    if (event.persisted && many) location.reload(); // some of them may be gone
    else keepAfterAll();
  });

  document.addEventListener("item-shown", takeLease);
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id === "lease") takeLease();
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt.id === "renew" && !event.detail.successful) renewing = false;
  });
  setInterval(tick, 1000);
  setInterval(look, LOOK_MS);
})();

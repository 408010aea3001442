// The input before the reviewer: a photograph to look into, a document to read; and the next one,
// fetched ahead.
(() => {
  "use strict";

  const AHEAD_MS = 50; // first the photograph that is wanted now
  const LIGHTS = ["", "bright", "brighter", "dark"];
  const find = (selector, root = document) => root.querySelector(selector);
  let ahead = null; // kept, or the browser may throw it away before it is wanted

  const tools = {
    zoom: (photo, button) => {
      const large = photo.classList.toggle("own-size");
      button.setAttribute("aria-pressed", large);
      // What scrolls must be reached by keyboard.
      if (large) photo.parentElement.setAttribute("tabindex", "0");
      else photo.parentElement.removeAttribute("tabindex");
    },
    brightness: (photo) => {
      const now = LIGHTS.findIndex((light) => light && photo.classList.contains(light));
      const next = LIGHTS[(Math.max(0, now) + 1) % LIGHTS.length];
      photo.classList.remove(...LIGHTS.slice(1));
      if (next) photo.classList.add(next);
      find("#announce").textContent = next ? `Photograph ${next}` : "Photograph as it was sent";
    },
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    const photo = find("#photo");
    if (button && photo && button.dataset.act in tools) tools[button.dataset.act](photo, button);
  });

  const showJson = async (place) => {
    try {
      const answer = await fetch(place.dataset.source);
      const document = await answer.json();
      place.textContent = answer.ok ? JSON.stringify(document, null, 2) : `⚠ ${document.detail}`;
    } catch {
      place.textContent = "⚠ The input cannot be shown.";
    }
  };

  const watch = (photo) => {
    const broken = () => {
      find("#photo-broken").hidden = false;
      photo.parentElement.hidden = true;
      find(".tools").hidden = true;
    };
    if (photo.complete && photo.naturalWidth === 0) broken();
    photo.addEventListener("error", broken);
  };

  const painted = async (photo) => {
    await photo?.decode().catch(() => {}); // one that is broken is waited for no longer
    await new Promise((done) => setTimeout(done, AHEAD_MS));
  };

  // The next item is taken ahead, so that its photograph is here before the answer is given.
  const lookAhead = async (item) => {
    if (!item.isConnected) return;
    const model = find("input[name=model]", item);
    const query = new URLSearchParams({ after: item.dataset.item, model: model ? model.value : "" });
    try {
      const answer = await fetch(`/review/ahead?${query}`);
      if (answer.status !== 200) return;
      const next = new Image();
      const { payload_url: photo, claim } = await answer.json();
      item.dataset.ahead = claim;
      next.src = photo;
      await next.decode();
      ahead = next;
    } catch {
      // Nothing is lost: the item comes without having been fetched ahead.
    }
  };

  document.addEventListener("item-shown", () => {
    const item = find("#item");
    const [photo, json] = [find("#photo"), find("#json")];
    if (photo) watch(photo);
    if (json) showJson(json);
    if (item.dataset.item && !("grid" in item.dataset)) painted(photo).then(() => lookAhead(item));
  });
})();

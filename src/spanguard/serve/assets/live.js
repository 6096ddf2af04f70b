// Shows what is new: the server tells when there is something, the page is asked for again, and the parts that changed are
// put in the place of the old ones. What is open stays open, and what has the focus keeps it.
"use strict";

(() => {
  const LEAST = 1000; // ms between two looks
  let mark = document.getElementById("status")?.dataset.mark ?? "";
  let wanted = mark, busy = false, last = 0, timer = 0;

  const live = (on) => document.documentElement.classList.toggle("is-live", on);

  const keep = (old, fresh) => {
    for (const each of old.querySelectorAll("details[open][id]")) {
      fresh.querySelector(`#${CSS.escape(each.id)}`)?.setAttribute("open", "");
    }
  };

  const path = (element, root) => {
    const steps = [];
    for (let at = element; at !== root; at = at.parentElement) {
      steps.unshift([...at.parentElement.children].indexOf(at));
    }
    return steps;
  };

  const swap = (old, fresh) => {
    keep(old, fresh);
    if (old.innerHTML === fresh.innerHTML) return;
    const focused = old.contains(document.activeElement) && document.activeElement !== old;
    const steps = focused ? path(document.activeElement, old) : null;
    const scrolled = [...old.querySelectorAll(".scroll")].map((each) => [each.scrollLeft, each.scrollTop]);
    old.replaceChildren(...fresh.childNodes);
    [...old.querySelectorAll(".scroll")].forEach((each, place) => {
      if (scrolled[place]) [each.scrollLeft, each.scrollTop] = scrolled[place];
    });
    steps?.reduce((at, step) => at?.children[step], old)?.focus({ preventScroll: true });
  };

  const look = async () => {
    if (busy || document.hidden || wanted === mark) return;
    const wait = last + LEAST - Date.now();
    if (wait > 0) {
      clearTimeout(timer);
      timer = setTimeout(look, wait);
      return;
    }
    busy = true;
    const seen = wanted;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const old of document.querySelectorAll("[data-live]")) {
        const fresh = page.getElementById(old.id);
        if (fresh) swap(old, fresh);
      }
      mark = seen;
    } catch {
      live(false);
    } finally {
      last = Date.now();
      busy = false;
    }
    if (wanted !== mark) timer = setTimeout(look, LEAST);
  };

  const listen = () => {
    const source = new EventSource("/live");
    source.addEventListener("open", () => live(true));
    source.addEventListener("error", () => live(false));
    source.addEventListener("mark", (event) => { wanted = event.data; look(); });
    addEventListener("pagehide", () => source.close());
  };

  document.addEventListener("visibilitychange", look);
  addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
  listen();
})();

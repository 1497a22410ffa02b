// view.js - ?view=projector in the address chooses the look for the front of a room.
// A classic script in <head>, so that the page is never painted in the wrong size first.
"use strict";

(() => {
  const view = new URLSearchParams(location.search).get("view");
  if (view === "projector") document.documentElement.dataset.view = view;
})();

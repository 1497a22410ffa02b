// projector.js - what the front of the room shows beside the app: the address to join at, its QR code, and
// who is here. Nothing on it is secret.

import { element } from "./dom.js";
import { person } from "./people.js";

export const isProjector = document.documentElement.dataset.view === "projector";

/** Fill `box` with the address to join at and its QR code, if the app tells it. `root` is the app's own address. */
export async function showJoinAddress(box, root = document.baseURI) {
  const response = await fetch(new URL("join", root), { cache: "no-store" });
  if (!response.ok) return false;
  const { url, only_here: onlyHere } = await response.json();
  box.replaceChildren(
    element("img", {
      class: "qr",
      src: new URL("join.svg", root).href,
      alt: `QR code of ${url}`,
      width: 240,
      height: 240,
    }),
    element("p", { class: "join-address" }, url.replace(/^http:\/\//, "").replace(/\/$/, "")),
    element(
      "p",
      { class: "hint join-hint" },
      onlyHere
        ? "Only this computer can open this address. For phones, start it with --lan."
        : "Scan it, or type the address, on the same network.",
    ),
  );
  return true;
}

/** On the projector, put the address to join at beside a page that has no place of its own for it. */
export async function showJoinBeside() {
  if (!isProjector) return;
  const beside = element("aside", { class: "panel join-box join-beside", "aria-label": "Join" });
  if (!(await showJoinAddress(beside))) return;
  document.body.classList.add("with-join-beside");
  document.body.append(beside);
}

/** Show who is here, in a list that a screen full of names still fits. */
export function showPeople(list, title, users) {
  title.textContent = users.length === 1 ? "1 person here" : `${users.length} people here`;
  list.replaceChildren(...users.map((user) => element("li", {}, person(user))));
}

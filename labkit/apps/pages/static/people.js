// people.js - names of people: always as text, always with the same colour.

import { element } from "./dom.js";

const COLOURS = 8; // --who-1 to --who-8

/** A colour's number for a name: the same on every screen, without anybody having to agree on it. */
export function colourOf(name) {
  let hash = 0;
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) >>> 0;
  return (hash % COLOURS) + 1;
}

/** A name with its colour. <bdi>, so that no name can turn the direction of the text around it. */
export function person(name) {
  return element("bdi", { class: "person", "data-who": colourOf(name) }, name);
}

/** "ada", "ada and ben", "ada, ben and 3 more" */
export function listNames(names, most = 3) {
  if (names.length <= 1) return names.join("");
  const shown = names.length <= most ? names.slice(0, -1) : names.slice(0, most - 1);
  const rest = names.length - shown.length;
  return `${shown.join(", ")} and ${rest === 1 ? names.at(-1) : `${rest} more`}`;
}

const COLOURED = ["Amber", "Azure", "Coral", "Green", "Indigo", "Ivory", "Jade", "Lilac", "Ruby", "Silver"];
const ANIMALS = ["Badger", "Crane", "Falcon", "Gecko", "Heron", "Ibis", "Lynx", "Otter", "Panda", "Robin", "Tapir"];

/** A friendly name for somebody who would rather not give one. */
export function inventName(random = Math.random) {
  const pick = (words) => words[Math.floor(random() * words.length)];
  return `${pick(COLOURED)} ${pick(ANIMALS)}`;
}

// What this tab was called before it was reloaded. In some frames the browser allows no storage at all.
const KEY = "labkit name";

export function rememberName(name) {
  try {
    sessionStorage.setItem(KEY, name);
  } catch {
    // then it is asked for again
  }
}

/** Whether a name can be one part of an address: a slash would end the part, and dots mean a folder. */
export const fitsAddress = (name) => !name.includes("/") && name !== "." && name !== "..";

export function rememberedName() {
  const asked = new URLSearchParams(location.search).get("name");
  try {
    return asked ?? sessionStorage.getItem(KEY) ?? "";
  } catch {
    return asked ?? "";
  }
}

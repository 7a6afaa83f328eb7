/** What the window allows: one column or two, and how much of it is covered. */

import { signal } from "@preact/signals";

function matches(query: string) {
  const list = matchMedia(query);
  const matching = signal(list.matches);
  list.addEventListener("change", () => (matching.value = list.matches));
  return matching;
}

/** A phone: lists have two lines a row, the navigation is at the bottom. The style sheet has the same width. */
export const narrow = matches("(max-width: 720px)");

/** Room for a message beside the list. */
export const wide = matches("(min-width: 1120px)");

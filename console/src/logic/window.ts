/** Which rows of a long list have to exist: those in sight and a few around them. */

export interface Window {
  first: number;
  end: number;
}

/** Rows drawn above and below those in sight, so that scrolling never shows a hole. */
const MARGIN = 8;

/**
 * Rows `[first, end)` of `rowCount`.
 *
 * `above` is how many pixels of the list lie above the upper edge of the view, negative where it begins below it.
 */
export function visibleRows(rowCount: number, rowHeight: number, above: number, viewHeight: number): Window {
  const first = Math.floor(above / rowHeight) - MARGIN;
  const end = Math.ceil((above + viewHeight) / rowHeight) + MARGIN;
  const within = (index: number) => Math.min(rowCount, Math.max(0, index));
  return { first: within(first), end: within(end) };
}

/** Where a key moves the active row; null for a key that moves nothing. Without an active row (-1) any key enters. */
export function movedRow(key: string, active: number, rowCount: number, pageLength: number): number | null {
  const target: Record<string, number> = {
    ArrowDown: active + 1,
    ArrowUp: active - 1,
    PageDown: active + pageLength,
    PageUp: active - pageLength,
    Home: 0,
    End: rowCount - 1,
  };
  const wanted = target[key];
  return wanted === undefined || rowCount === 0 ? null : Math.min(rowCount - 1, Math.max(0, wanted));
}

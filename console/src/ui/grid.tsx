/**
 * A table of any length. Only the rows in sight exist; the page scrolls, not the table.
 *
 * Keyboard (the grid pattern of WAI-ARIA): the table takes the focus as one; arrows, PageUp, PageDown, Home and End
 * move the active row, Enter opens it.
 */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useRef } from "preact/hooks";
import { movedRow, visibleRows } from "../logic/window";
import { narrow } from "./screen";

export interface Column<Row> {
  title: string;
  /** Names the cell for the style sheet, which says how wide it is and whether a phone has it. */
  name: string;
  cell: (row: Row) => ComponentChildren;
  end?: boolean;
  sortable?: boolean;
  /** Its title is read out only: the cells speak for themselves. */
  untitled?: boolean;
}

export interface Sorting {
  column: string;
  descending: boolean;
}

interface GridProps<Row> {
  label: string;
  /** Names the table for the style sheet, which lays out its columns. */
  name: string;
  columns: Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  onOpen?: (row: Row) => void;
  /** The row whose content is shown elsewhere: it follows the active row. */
  selected?: string | null;
  onActive?: (row: Row) => void;
  sorting?: Sorting;
  onSort?: (sorting: Sorting) => void;
  rowHeight?: number;
  narrowRowHeight?: number;
  /** Characters of the widest number, for the style sheet: rows are laid out each by itself. */
  widest?: number;
  /** Called when the last rows come in sight. */
  onEnd?: () => void;
  /** Rows that were put before the first one: what is being read then stays where it is. */
  prepended?: number;
}

const ROW_HEIGHT = 40;
const NARROW_ROW_HEIGHT = 60;

export function Grid<Row>(props: GridProps<Row>) {
  const { rows, keyOf } = props;
  const id = useId();
  const body = useRef<HTMLDivElement>(null);
  const activeKey = useSignal<string | null>(null);
  const view = useView(body);
  const height = narrow.value ? (props.narrowRowHeight ?? NARROW_ROW_HEIGHT) : (props.rowHeight ?? ROW_HEIGHT);
  const { first, end } = visibleRows(rows.length, height, view.value.above, view.value.height);
  const wanted = props.selected ?? activeKey.value;
  const active = wanted === null ? -1 : rows.findIndex((row) => keyOf(row) === wanted);

  useLayoutEffect(() => {
    // Someone who has scrolled down reads: new rows above must not push the text away.
    const above = -(body.current?.getBoundingClientRect().top ?? 0);
    if (props.prepended && above > 0) scrollBy({ top: props.prepended * height, behavior: "instant" });
  }, [rows]);

  useEffect(() => {
    if (rows.length && end >= rows.length - 1) props.onEnd?.();
  }, [end, rows.length]);

  const activate = (index: number) => {
    const row = rows[index];
    if (row === undefined) return;
    activeKey.value = keyOf(row);
    reveal(body.current!, index * height, height);
    props.onActive?.(row);
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" && active >= 0) {
      event.preventDefault();
      props.onOpen?.(rows[active]!);
    }
    const next = movedRow(event.key, active, rows.length, Math.max(1, Math.floor(view.value.height / height) - 2));
    if (next === null) return;
    event.preventDefault();
    activate(next);
  };

  const open = (row: Row) => {
    activeKey.value = keyOf(row);
    props.onOpen?.(row);
  };

  return (
    <div
      class={`grid grid-${props.name}${props.onOpen ? " grid-opens" : ""}`}
      role="grid"
      tabIndex={0}
      style={props.widest === undefined ? undefined : { "--widest": `${props.widest}` }}
      aria-label={props.label}
      aria-rowcount={rows.length + 1}
      aria-activedescendant={active >= first && active < end ? `${id}-${active}` : undefined}
      onKeyDown={onKeyDown}
      onFocus={(event) => event.target === event.currentTarget && active < 0 && (activeKey.value = firstKey(rows, keyOf))}
    >
      <div role="rowgroup" class="grid-head">
        <div role="row" class="grid-row" aria-rowindex={1}>
          {props.columns.map((column) => (
            <Heading key={column.name} column={column} sorting={props.sorting} onSort={props.onSort} />
          ))}
        </div>
      </div>
      <div role="rowgroup" class="grid-body" ref={body} style={{ height: `${rows.length * height}px` }}>
        {rows.slice(first, end).map((row, index) => (
          <div
            key={keyOf(row)}
            role="row"
            id={`${id}-${first + index}`}
            class={`grid-row${first + index === active ? " grid-active" : ""}`}
            aria-rowindex={first + index + 2}
            aria-selected={keyOf(row) === props.selected}
            style={{ height: `${height}px`, transform: `translateY(${(first + index) * height}px)` }}
            onClick={(event) => !(event.target as Element).closest("a, button") && open(row)}
          >
            {props.columns.map((column) => (
              <div key={column.name} role="gridcell" class={cellClass(column)}>
                {column.cell(row)}
              </div>
            ))}
          </div>
        ))}
      </div>
    </div>
  );
}

interface HeadingProps<Row> {
  column: Column<Row>;
  sorting: Sorting | undefined;
  onSort: ((sorting: Sorting) => void) | undefined;
}

function Heading<Row>({ column, sorting, onSort }: HeadingProps<Row>) {
  const sorted = sorting?.column === column.name;
  const order = sorted ? (sorting.descending ? "descending" : "ascending") : undefined;
  return (
    <div role="columnheader" class={cellClass(column)} aria-sort={order}>
      {column.sortable && onSort ? (
        <button
          type="button"
          class="grid-sort"
          onClick={() => onSort({ column: column.name, descending: sorted ? !sorting.descending : column.end === true })}
        >
          {column.title}
          <span class={`grid-order${sorted ? " grid-ordered" : ""}`} aria-hidden="true">
            {sorted && sorting.descending ? "↓" : "↑"}
          </span>
        </button>
      ) : (
        <span class={column.untitled ? "unseen" : undefined}>{column.title}</span>
      )}
    </div>
  );
}

function cellClass<Row>(column: Column<Row>): string {
  return `cell cell-${column.name}${column.end ? " cell-end" : ""}`;
}

function firstKey<Row>(rows: readonly Row[], keyOf: (row: Row) => string): string | null {
  return rows[0] === undefined ? null : keyOf(rows[0]);
}

/** How much of the list lies above the window, and how high the window is. */
function useView(body: { current: HTMLDivElement | null }) {
  const view = useSignal({ above: 0, height: innerHeight });
  useLayoutEffect(() => {
    let frame = 0;
    const measure = () => {
      frame = 0;
      const above = -Math.round(body.current?.getBoundingClientRect().top ?? 0);
      const seen = view.peek();
      if (seen.above !== above || seen.height !== innerHeight) view.value = { above, height: innerHeight };
    };
    const soon = () => (frame ||= requestAnimationFrame(measure));
    measure();
    addEventListener("scroll", soon, { passive: true });
    addEventListener("resize", soon);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener("scroll", soon);
      removeEventListener("resize", soon);
    };
  }, []);
  return view;
}

/** Scroll the page so far that the row is in sight, not behind the bars at its edges. */
function reveal(body: HTMLElement, top: number, height: number): void {
  const style = getComputedStyle(document.documentElement);
  const from = body.getBoundingClientRect().top + top;
  const above = parseFloat(style.scrollPaddingTop) || 0;
  const below = innerHeight - (parseFloat(style.scrollPaddingBottom) || 0);
  if (from < above) scrollBy({ top: from - above, behavior: "instant" });
  else if (from + height > below) scrollBy({ top: from + height - below, behavior: "instant" });
}

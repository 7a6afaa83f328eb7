/** Rows by what their column shows. */

/** A sorted copy; equal rows stay in their order. */
export function sorted<Row>(
  rows: readonly Row[],
  key: (row: Row) => string | number,
  descending: boolean,
): Row[] {
  const sign = descending ? -1 : 1;
  return rows
    .map((row) => [key(row), row] as const)
    .sort(([one], [other]) => sign * (one < other ? -1 : one > other ? 1 : 0))
    .map(([, row]) => row);
}

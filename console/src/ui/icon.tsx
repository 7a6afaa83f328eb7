/** The icons, drawn on 16 by 16 with a line of one and a half. */

const PATHS = {
  overview: "M1.5 9h3l2-6 3.5 10 2-4h2.5",
  topics: "M2 3.5h12M2 8h12M2 12.5h7M12 12.5h2",
  groups: "M5.5 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM1 13.5c0-2.5 2-4 4.5-4s4.5 1.5 4.5 4M10.5 2.8a2.5 2.5 0 0 1 0 4.4M12 9.8c1.8.5 3 1.8 3 3.7",
  settings: "M2 4.5h6M12 4.5h2M2 11.5h2M8 11.5h6M10 6.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM6 13.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10ZM10.5 10.5 14 14",
  plus: "M8 3v10M3 8h10",
  copy: "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8Z",
  check: "M3 8.5 6.5 12 13 4.5",
  download: "M8 2v8M4.5 7 8 10.5 11.5 7M2.5 13.5h11",
  trash: "M2.5 4.5h11M6 4.5v-2h4v2M4 4.5l.6 9h6.8l.6-9",
  play: "M4.5 2.5v11l9-5.5Z",
  pause: "M5 3v10M11 3v10",
  refresh: "M13.5 8a5.5 5.5 0 1 1-1.7-4M13.5 1.5V4.5h-3",
  close: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  right: "M6 3.5 10.5 8 6 12.5",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1",
  moon: "M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7Z",
  system: "M2 3h12v8H2ZM5.5 14h5",
  send: "M14 2 7.5 8.5M14 2l-4 12-2.5-5.5L2 6Z",
  warning: "M8 2 1.5 13.5h13ZM8 6.5v3M8 11.5v.2",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** Records in a log, the last one fresh. */
export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect class="logo-ground" width="32" height="32" rx="8" />
      <rect x="7" y="8" width="9" height="4" rx="1.5" opacity=".55" />
      <rect x="7" y="14" width="18" height="4" rx="1.5" opacity=".8" />
      <rect x="7" y="20" width="13" height="4" rx="1.5" />
      <rect class="logo-tip" x="21.5" y="20" width="3.5" height="4" rx="1.5" />
    </svg>
  );
}

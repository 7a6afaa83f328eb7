/** The frame around every screen: navigation, the state of the connection, shortcuts. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { broker, lostSince } from "./link";
import { clock } from "./logic/format";
import { link, route, type Route } from "./router";
import { GroupScreen } from "./screens/group/group";
import { Groups } from "./screens/groups";
import { Missing } from "./screens/missing";
import { Overview } from "./screens/overview";
import { Settings } from "./screens/settings";
import { TopicScreen } from "./screens/topic/topic";
import { Topics } from "./screens/topics";
import { Shortcuts } from "./shortcuts";
import { theme, type Theme } from "./theme";
import { Segmented } from "./ui/controls";
import { Icon, Logo, type IconName } from "./ui/icon";
import { Toast } from "./ui/toast";

const SECTIONS: { name: string; title: string; icon: IconName; href: string }[] = [
  { name: "", title: "Overview", icon: "overview", href: "#/" },
  { name: "topics", title: "Topics", icon: "topics", href: link("topics") },
  { name: "groups", title: "Groups", icon: "groups", href: link("groups") },
  { name: "settings", title: "Settings", icon: "settings", href: link("settings") },
];

export function App() {
  const main = useRef<HTMLElement>(null);
  const page = route.value.path.slice(0, 2).join("/");
  useArrival(main, page);
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to the content
      </a>
      <div class="shell">
        <Navigation />
        <main id="main" ref={main} tabIndex={-1}>
          <Lost />
          <Screen key={page} route={route.value} />
        </main>
      </div>
      <Shortcuts />
      <Toast />
    </>
  );
}

function Screen({ route: { path, query } }: { route: Route }) {
  const [section, name, tab] = path;
  if (section === undefined) return <Overview />;
  if (section === "topics") {
    return name === undefined ? <Topics /> : <TopicScreen name={name} tab={tab ?? "messages"} query={query} />;
  }
  if (section === "groups") return name === undefined ? <Groups /> : <GroupScreen name={name} />;
  if (section === "settings") return <Settings />;
  return <Missing />;
}

/** A new screen begins at its top, and the keyboard with it; the first one is left as the browser has it. */
function useArrival(main: { current: HTMLElement | null }, page: string): void {
  const seen = useRef(page);
  useEffect(() => {
    if (seen.current === page) return;
    seen.current = page;
    scrollTo({ top: 0, behavior: "instant" });
    main.current?.focus({ preventScroll: true });
  }, [page]);
}

function Navigation() {
  const here = route.value.path[0] ?? "";
  return (
    <header class="side">
      <a class="brand" href="#/" aria-label="LogMQ, overview">
        <Logo />
        <span>LogMQ</span>
      </a>
      <nav class="sections" aria-label="Sections">
        {SECTIONS.map((section) => (
          <a key={section.name} href={section.href} aria-current={section.name === here ? "page" : undefined}>
            <Icon name={section.icon} />
            <span>{section.title}</span>
          </a>
        ))}
      </nav>
      <div class="side-foot">
        <State />
        <ThemeSwitch />
      </div>
    </header>
  );
}

/** Whether the broker is there, and which one it is. */
function State() {
  const facts = broker.value;
  const lost = lostSince.value !== null;
  const tone = lost ? "bad" : facts === null ? "plain" : facts.ready ? "good" : "warn";
  const status = lost ? "No answer" : facts === null ? "Connecting" : facts.ready ? "Ready" : facts.status;
  return (
    <div class="state">
      <span class={`dot dot-${tone}`} aria-hidden="true" />
      <span class="state-text">
        <b>{status}</b>
        <span>{location.host}</span>
      </span>
    </div>
  );
}

const THEMES: readonly (readonly [Theme, IconName, string])[] = [
  ["light", "sun", "Light"],
  ["system", "system", "As the system"],
  ["dark", "moon", "Dark"],
];

function ThemeSwitch() {
  return (
    <div class="theme">
      <Segmented
        label="Colours"
        value={theme.value}
        onChange={(value) => (theme.value = value)}
        options={THEMES.map(([value, icon, title]) => [value, <ThemeIcon icon={icon} title={title} />] as const)}
      />
    </div>
  );
}

function ThemeIcon({ icon, title }: { icon: IconName; title: string }) {
  return (
    <span title={title}>
      <Icon name={icon} />
      <span class="unseen">{title}</span>
    </span>
  );
}

/** Says that the broker is gone; what was loaded stays on the screen. */
function Lost() {
  const since = lostSince.value;
  const was = useSignal(false);
  was.value ||= since !== null;
  if (!was.value) return null;
  return (
    <div class="lost-place" role="status">
      {since !== null && (
        <p class="lost">
          <Icon name="warning" />
          <span>
            <b>The broker does not answer since {clock(since)}.</b> Asking again every second; what you see is from before.
          </span>
        </p>
      )}
    </div>
  );
}

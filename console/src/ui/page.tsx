/** The parts that every screen is made of. */

import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { words } from "../api/client";
import { Button } from "./controls";
import { Icon, type IconName } from "./icon";

interface PageProps {
  title: string;
  /** The page above this one. */
  above?: { title: string; href: string };
  /** Beside the title. */
  facts?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
}

export function Page({ title, above, facts, actions, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · LogMQ`;
  }, [title]);
  return (
    <>
      <header class="page-head">
        <div class="page-title">
          <div class="page-name">
            {above && (
              <a class="page-above" href={above.href}>
                {above.title}
                <Icon name="right" />
              </a>
            )}
            <h1>{title}</h1>
          </div>
          {facts && <div class="facts">{facts}</div>}
        </div>
        {actions && <div class="actions">{actions}</div>}
      </header>
      {children}
    </>
  );
}

export type Tone = "good" | "warn" | "bad" | "plain" | "accent";

export function Badge({ tone = "plain", children, title }: { tone?: Tone; children: ComponentChildren; title?: string }) {
  return (
    <span class={`badge badge-${tone}`} title={title}>
      {children}
    </span>
  );
}

/** What went wrong, and a way on. */
export function Problem({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  return (
    <div class="notice notice-bad" role="alert">
      <Icon name="warning" />
      <p>{words(error)}</p>
      {onRetry && <Button onClick={onRetry}>Try again</Button>}
    </div>
  );
}

export function Notice({ tone = "plain", children }: { tone?: Tone; children: ComponentChildren }) {
  return (
    <div class={`notice notice-${tone}`}>
      {tone === "warn" && <Icon name="warning" />}
      <div>{children}</div>
    </div>
  );
}

interface EmptyProps {
  icon: IconName;
  title: string;
  children?: ComponentChildren;
}

/** There is nothing here yet: what to do about it. */
export function Empty({ icon, title, children }: EmptyProps) {
  return (
    <div class="empty">
      <span class="empty-icon">
        <Icon name={icon} />
      </span>
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** Shown while the first answer is on its way; nothing for the blink of an eye that it usually takes. */
export function Waiting() {
  return (
    <p class="waiting" role="status">
      Asking the broker…
    </p>
  );
}

interface TabsProps {
  label: string;
  tabs: { href: string; title: string; count?: number; current: boolean }[];
}

export function Tabs({ label, tabs }: TabsProps) {
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map((tab) => (
        <a key={tab.href} href={tab.href} aria-current={tab.current ? "page" : undefined}>
          {tab.title}
          {tab.count !== undefined && <span class="tab-count">{tab.count}</span>}
        </a>
      ))}
    </nav>
  );
}

/** Names and what they stand for. */
export function Facts({ facts }: { facts: [string, ComponentChildren][] }) {
  return (
    <dl class="definitions">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

import { Empty, Page } from "../ui/page";

export function Missing() {
  return (
    <Page title="Nothing here">
      <Empty icon="search" title="There is no such screen.">
        <p>
          The <a href="#/">overview</a> leads to all that there are.
        </p>
      </Empty>
    </Page>
  );
}

import { render } from "preact";
import { App } from "./app";
import { watchBroker } from "./link";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/controls.css";
import "./styles/grid.css";
import "./styles/overview.css";
import "./styles/topic.css";

void watchBroker();
render(<App />, document.getElementById("app")!);

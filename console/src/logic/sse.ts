/** The format of Server-Sent Events (HTML Standard, section 9.2.6), fed with text as it arrives. */

export interface ServerEvent {
  event: string;
  id: string | null;
  data: string;
}

export class EventParser {
  #rest = "";
  #event = "";
  #id: string | null = null;
  #data: string[] = [];

  /** The events that this piece of the stream completes. */
  feed(chunk: string): ServerEvent[] {
    const text = this.#rest + chunk;
    // A carriage return at the end may be half of a line end.
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop()!;
    const events: ServerEvent[] = [];
    for (const line of lines) {
      const event = this.#take(line);
      if (event) events.push(event);
    }
    return events;
  }

  #take(line: string): ServerEvent | null {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    return null;
  }

  #dispatch(): ServerEvent | null {
    const complete = this.#data.length > 0;
    const event = { event: this.#event || "message", id: this.#id, data: this.#data.join("\n") };
    this.#event = "";
    this.#data = [];
    return complete ? event : null;
  }
}

/**
 * JSON laid out for reading, from its text: numbers and strings stay as they were written, since JSON.parse would
 * round 12345678901234567890 and turn 1.0 into 1.
 */

export type TokenKind = "key" | "string" | "number" | "literal" | "punctuation" | "space";

export interface Token {
  kind: TokenKind;
  text: string;
}

const LEXEME = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
const INDENT = "  ";

/** The tokens of the text with line breaks and indentation in between; null where it is no JSON. */
export function prettyJson(text: string): Token[] | null {
  if (!isJson(text)) return null;
  const lexemes = text.match(LEXEME) ?? [];
  const tokens: Token[] = [];
  let depth = 0;
  const newLine = () => tokens.push({ kind: "space", text: `\n${INDENT.repeat(depth)}` });
  lexemes.forEach((lexeme, index) => {
    const next = lexemes[index + 1];
    const closes = lexeme === "}" || lexeme === "]";
    const empty = closes && (lexemes[index - 1] === "{" || lexemes[index - 1] === "[");
    if (closes) depth -= 1;
    if (closes && !empty) newLine();
    tokens.push({ kind: kindOf(lexeme, next), text: lexeme });
    if (lexeme === "{" || lexeme === "[") {
      depth += 1;
      if (next !== "}" && next !== "]") newLine();
    } else if (lexeme === ",") {
      newLine();
    } else if (lexeme === ":") {
      tokens.push({ kind: "space", text: " " });
    }
  });
  return tokens;
}

/** Whether the text is an object or a list: what is worth laying out. */
export function isStructure(text: string): boolean {
  return /^\s*[{[]/.test(text) && isJson(text);
}

/** Whether JSON.parse takes the text. */
export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function kindOf(lexeme: string, next: string | undefined): TokenKind {
  if (lexeme.startsWith('"')) return next === ":" ? "key" : "string";
  if (/^[{}[\],:]$/.test(lexeme)) return "punctuation";
  return /^[-\d]/.test(lexeme) ? "number" : "literal";
}

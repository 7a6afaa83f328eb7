/** Bytes as a hex dump. */

export interface HexLine {
  position: string;
  hex: string;
  text: string;
}

/** Lines of `width` bytes: position, the bytes in groups of eight, and what of them is printable ASCII. */
export function hexLines(data: Uint8Array, width = 16): HexLine[] {
  const lines: HexLine[] = [];
  for (let start = 0; start < data.length; start += width) {
    const part = data.subarray(start, start + width);
    lines.push({
      position: start.toString(16).padStart(8, "0"),
      hex: hexOf(part).padEnd(width * 3 + Math.floor((width - 1) / 8) - 1),
      text: String.fromCharCode(...part.map((byte) => (byte >= 0x20 && byte < 0x7f ? byte : 0x2e))),
    });
  }
  return lines;
}

function hexOf(part: Uint8Array): string {
  let hex = "";
  part.forEach((byte, index) => {
    const gap = index === 0 ? "" : index % 8 === 0 ? "  " : " ";
    hex += gap + byte.toString(16).padStart(2, "0");
  });
  return hex;
}

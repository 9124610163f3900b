// Text inside XML.

/** A text as an element's content or an attribute's value. */
export function escapeXml(text: string): string {
  return text.replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

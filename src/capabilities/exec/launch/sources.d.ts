/** A C source, as its text. */
declare module "*.c" {
  const text: string;
  export default text;
}

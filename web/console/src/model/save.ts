/** Hand a file to the person. */
export function save(name: string, data: Blob): void {
  const url = URL.createObjectURL(data);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser takes it after this turn.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A finger that stays, or the second mouse button: what phones and desktops use for "more". */
const HELD_MS = 450;
const STRAY = 10;

export function held(
  node: HTMLElement,
  act: () => void,
): { update(next: () => void): void; destroy(): void } {
  let doing = act;
  let timer = 0;
  let from = { x: 0, y: 0 };
  const end = () => clearTimeout(timer);
  const down = (event: PointerEvent) => {
    if (event.pointerType === "mouse") return;
    from = { x: event.clientX, y: event.clientY };
    timer = window.setTimeout(() => {
      navigator.vibrate?.(15);
      doing();
    }, HELD_MS);
  };
  const move = (event: PointerEvent) => {
    if (Math.hypot(event.clientX - from.x, event.clientY - from.y) > STRAY) end();
  };
  const menu = (event: Event) => {
    // A selection with the mouse keeps the system's own menu.
    if (getSelection()?.toString()) return;
    event.preventDefault();
    end();
    doing();
  };
  node.addEventListener("pointerdown", down);
  node.addEventListener("pointermove", move);
  node.addEventListener("pointerup", end);
  node.addEventListener("pointercancel", end);
  node.addEventListener("contextmenu", menu);
  return {
    update(next) {
      doing = next;
    },
    destroy: end,
  };
}

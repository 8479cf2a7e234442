/** The pages with the phone of demo.ts, for tests and pictures. The build of the phone never sees this. */
import { mount } from "svelte";
import App from "../../src/ui/App.svelte";
import { words } from "../../src/ui/i18n/index.svelte.ts";
import "../../src/ui/app.css";
import { Demo } from "./demo.ts";

const asked = new URLSearchParams(location.hash.slice(1));
const demo = new Demo((asked.get("stage") ?? "open") as "open");
const target = document.getElementById("app");
if (target) mount(App, { target, props: { phone: demo, wrap: (callback) => callback } });
Object.assign(globalThis, { demo, words });

import { mount } from "svelte";
import App from "./ui/App.svelte";
import { connect } from "./ui/connect.ts";
import "./ui/app.css";

const target = document.getElementById("app");
if (target) mount(App, { target, props: connect() });

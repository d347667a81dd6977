/**
 * A server that annotates images with the tiny model.
 *
 *   npx tsx examples/server/main.ts
 *   curl --data-binary @photo.jpg 127.0.0.1:8080/annotate
 *
 *   {"think":"Here is a …","annotation":{"negative":0.1,"neutral":0.2,"positive":0.7},"failure":null}
 *
 * RISE_MODEL names another checkpoint, PORT another port, and RISE_TOKEN the token that clients must send.
 */
import { classification } from "rise-ts";
import { onnxBackend } from "rise-ts/backends/onnx";
import { demoFiles } from "rise-ts/testing";
import { annotateServer } from "./annotate-server";

const model = process.env.RISE_MODEL ?? demoFiles().model;
const task = classification(demoFiles().question);
const backend = await onnxBackend({ model, device: "cpu" });
const token = process.env.RISE_TOKEN;
const server = annotateServer({ task, backend, ...(token && { token }) });

// Loopback: put a proxy that speaks TLS in front of it before others may reach it.
server.listen(Number(process.env.PORT ?? 8080), "127.0.0.1", () => console.log("listening on", server.address()));
process.once("SIGINT", () => server.close(() => backend.dispose()));

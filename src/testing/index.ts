export { type Script, scriptedBackend } from "./scripted-backend";
export { type ScriptedTrainerOptions, scriptedTrainer } from "./scripted-trainer";

import type { RunEvent, WorkProgress } from "../../events";
import type { News, Progress } from "../../terminal/news";
import { createEstimate } from "./estimate";
import { figuresOf, tried } from "./words";

/** Turns the events of a run into news for a log: a fold that knows no clock but the one it is given. */
export function createRunNews(): (event: RunEvent<unknown, unknown>, nowMs: number) => readonly News[] {
  const estimate = createEstimate();
  /** The part under way, which ends when another begins. */
  let open: string | undefined;
  const stages = new Map<string, { readonly first: number; readonly steps: number; readonly trains: boolean }>();
  const begin = (part: string): News[] => {
    const ended: News[] = open !== undefined && open !== part ? [{ type: "end", part: open }] : [];
    open = part;
    return ended;
  };
  const end = (part: string, note: string): News[] => {
    open = undefined;
    return [{ type: "end", part, note }];
  };
  const stepProgress = (stage: string, step: number, more: Pick<Progress, "detail" | "figures"> = {}): News[] => {
    const { first = 0, steps } = stages.get(stage) ?? {};
    const progress = { part: stage, done: step - first, secondsLeft: estimate.secondsLeft(), ...more };
    return [...begin(stage), { type: "progress", ...(steps !== undefined && { total: steps }), ...progress }];
  };
  return (event, now) => {
    estimate.hear(event, now);
    switch (event.type) {
      case "progress":
        if (event.stage === undefined || event.step === undefined) {
          const { work, done, total } = event;
          return [...begin(work), { type: "progress", part: work, done, total, ...detailOf(event) }];
        }
        return stepProgress(event.stage, event.step - 1, detailOf(event, stages.get(event.stage)?.trains));
      case "images-end": {
        const { leftOut } = event;
        return end("images", leftOut.length === 0 ? "all can be read" : `examples left out: ${leftOut.length}`);
      }
      case "run-start": {
        let first = 0;
        for (const { name, steps, trains } of event.stages) {
          stages.set(name, { first, steps, trains });
          first += steps;
        }
        const planned = event.stages.map(({ name, steps }) => ({ name, total: steps }));
        const parts = event.preflight ? [{ name: "preflight" }, ...planned] : planned;
        const plan = { type: "plan", parts } as const;
        if (event.step === 0) return [plan];
        return [plan, { type: "note", text: `resumes after step ${event.step} of ${first}` }];
      }
      case "preflight-end":
        return [{ type: "note", text: tried(event.report) }];
      case "warning":
        return [{ type: "warning", text: `${event.step > 0 ? `step ${event.step}: ` : ""}${event.message}` }];
      case "step-end": {
        const news = stepProgress(event.stage, event.step, { figures: figuresOf(event.metrics) });
        const { first = 0, steps } = stages.get(event.stage) ?? {};
        if (event.step - first !== steps) return news;
        open = undefined;
        return [...news, { type: "end", part: event.stage }];
      }
      default:
        return [];
    }
  };
}

/** "step 43: rollouts 24/64"; the rollouts that are complete are what is learned from. */
function detailOf({ work, step, stage, done, total }: WorkProgress, trains = false): { readonly detail?: string } {
  if (work === "preflight") return stage === undefined ? {} : { detail: `trying ${stage}` };
  if (step === undefined) return {};
  const isLearning = work === "rollouts" && done === total && trains;
  return { detail: `step ${step}: ${isLearning ? `learning from ${total} rollouts` : `${work} ${done}/${total}`}` };
}

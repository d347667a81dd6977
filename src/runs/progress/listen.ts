import type { RunEvent } from "../../events";
import { type LogOption, openLog } from "../../terminal/log";
import type { Listener } from "../run";
import { createRunNews } from "./run-news";

/** Opens the log of a run. @param sum the result in a sentence */
export function listenTo<Result>(
  title: string,
  option: LogOption | undefined,
  sum: (result: Result) => string,
): Listener<RunEvent<unknown, Result>> {
  const log = openLog(title, option);
  const newsOf = createRunNews();
  return {
    hear(event) {
      for (const news of newsOf(event, Date.now())) log.tell(news);
      if (event.type === "run-end") log.close(sum(event.result));
    },
    close: () => log.close(),
  };
}

/** @throws ConfigError for a `RISE_LOG` that nobody knows */
export const checkLog = (option: LogOption | undefined): void => openLog("", option).close();

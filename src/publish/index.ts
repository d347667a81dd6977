export { type Pushed, type PushToHubOptions, pushToHub } from "./push-to-hub";

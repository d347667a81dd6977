import { ConfigError, ShapeError } from "../../errors";
import { counted } from "../../options/display";

export interface Grouping {
  readonly groupSize?: number | undefined;
  readonly groups?: readonly (string | number)[] | undefined;
}

/** The indices of each prompt's completions. */
export function groupsOf({ groupSize, groups }: Grouping, count: number): readonly (readonly number[])[] {
  if (count === 0) throw new ShapeError("grpoAdvantages: expected at least one reward, got none");
  if (groups !== undefined && groupSize !== undefined)
    throw new ConfigError(`grpoAdvantages: expected groupSize or groups, got both`);
  return groups ? byName(groups, count) : bySize(groupSize ?? count, count);
}

function byName(groups: readonly (string | number)[], count: number): readonly number[][] {
  if (groups.length !== count)
    throw new ShapeError(
      `grpoAdvantages: expected ${counted(count, "group")}, one for each completion, got ${groups.length}`,
    );
  const members = new Map<string | number, number[]>();
  for (const [i, group] of groups.entries()) {
    const others = members.get(group);
    if (others) others.push(i);
    else members.set(group, [i]);
  }
  return [...members.values()];
}

function bySize(groupSize: number, count: number): readonly number[][] {
  if (count % groupSize !== 0)
    throw new ShapeError(`grpoAdvantages: expected whole groups of ${groupSize}, got ${counted(count, "reward")}`);
  return Array.from({ length: count / groupSize }, (_, g) =>
    Array.from({ length: groupSize }, (_, k) => g * groupSize + k),
  );
}

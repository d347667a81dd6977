/** Maps the ids of a file, whole numbers or texts, to numbers: 7 and "7" are one id. */
export interface Ids {
  numberOf(id: number | string): number;
  textOf(number: number): string;
}

export function numberIds(): Ids {
  const numbers = new Map<string, number>();
  const texts: string[] = [];
  return {
    numberOf(id) {
      if (typeof id === "number") return id;
      if (/^-?(?:0|[1-9]\d{0,14})$/.test(id)) return Number(id);
      const known = numbers.get(id);
      if (known !== undefined) return known;
      // A fraction, so that it cannot equal an id that is a number.
      const number = texts.length + 0.5;
      numbers.set(id, number);
      texts.push(id);
      return number;
    },
    textOf: (number) => texts[number - 0.5] ?? String(number),
  };
}

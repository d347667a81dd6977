/** Rows of equally many numbers, eight bytes a number. */
export interface NumberRows {
  readonly length: number;
  push(row: readonly number[]): void;
  at(row: number, column: number): number;
  set(row: number, column: number, value: number): void;
}

const rowsPerPiece = 2 ** 14;

/** Makes rows that grow piece by piece: an array that doubles would copy its numbers, and leave half of it unused. */
export function numberRows(columns: number): NumberRows {
  const pieces: Float64Array[] = [];
  let length = 0;
  return {
    get length() {
      return length;
    },
    push(row) {
      if (length % rowsPerPiece === 0) pieces.push(new Float64Array(rowsPerPiece * columns));
      pieces.at(-1)!.set(row, (length++ % rowsPerPiece) * columns);
    },
    set(row, column, value) {
      pieces[Math.floor(row / rowsPerPiece)]![(row % rowsPerPiece) * columns + column] = value;
    },
    at: (row, column) => pieces[Math.floor(row / rowsPerPiece)]![(row % rowsPerPiece) * columns + column]!,
  };
}

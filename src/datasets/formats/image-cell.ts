import { DataError } from "../../errors";
import { shown } from "../../options/display";
import type { ImageSource } from "../../types";
import type { Folder } from "../reading/folder";

/**
 * Makes a reader of cells and fields that hold an image: `{ bytes, path }`, bytes, text, or a list of one of these.
 * @param text whether text that is not a data URL is a path in the folder, or base64
 */
export function imageReader(folder: Folder, text: "path" | "base64" = "path") {
  const imageOf = async (cell: unknown, where: string): Promise<ImageSource> => {
    if (Array.isArray(cell)) {
      if (cell.length !== 1)
        throw new DataError(
          `${where}: expected one image, got a list of ${cell.length}; an example has one: make a row for each, or join them`,
        );
      return imageOf(cell[0], where);
    }
    if (cell instanceof Uint8Array) return copied(cell);
    if (typeof cell === "string" && text === "path" && encodedStart.test(cell) && cell.length > 200)
      throw new DataError(
        `${where}: expected the path of an image, got base64; write data:image/jpeg;base64, in front, or pass imageText: "base64" for Parquet`,
      );
    if (typeof cell === "string")
      return text === "base64" || cell.startsWith("data:") ? decoded(cell, where) : folder.image(cell, where);
    const { bytes, path } = structOf(cell);
    if (bytes instanceof Uint8Array) return copied(bytes);
    if (typeof path === "string" && path !== "") return folder.image(path, where);
    throw new DataError(`${where}: expected an image as { bytes, path }, bytes or text, got ${shown(cell ?? null)}`);
  };
  return imageOf;
}

/** The first characters of a JPEG, PNG, GIF or WebP file in base64. */
const encodedStart = /^(?:\/9j\/|iVBORw0KGgo|R0lGODlh|UklGR)/;

const structOf = (cell: unknown): { readonly bytes?: unknown; readonly path?: unknown } =>
  typeof cell === "object" && cell !== null ? cell : {};

function decoded(text: string, where: string): Uint8Array {
  const base64 = text.replace(/^data:[^,]*;base64,/, "").replace(/\s+/g, "");
  if (base64 === "" || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(base64))
    throw new DataError(`${where}: expected an image in base64, got ${shown(text)}; for a path, imageText is "path"`);
  return new Uint8Array(Buffer.from(base64, "base64"));
}

/** A copy, so that a kept image does not keep the whole page in memory. */
const copied = (bytes: Uint8Array) => new Uint8Array(bytes);

import { describe, expect, it } from "vitest";
import { fileKind, kindInsteadOfText } from "../../src/files/kind";

const bytes = (text: string) => Buffer.from(text, "latin1");

describe("the kind of a file", () => {
  it.each([
    ["\xff\xd8\xff\xe0", "a JPEG image", "jpeg"],
    ["\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG image", "png"],
    ["GIF89a", "a GIF image", "gif"],
    ["RIFF\x10\0\0\0WEBPVP8 ", "a WebP image", "webp"],
    ["II*\0\x08\0\0\0", "a TIFF image", "tiff"],
    ["MM\0*\0\0\0\x08", "a TIFF image", "tiff"],
    ["\0\0\0 ftypavif\0\0\0\0avifmif1", "an AVIF image", "heif"],
    ["\0\0\0 ftypmif1\0\0\0\0mif1avif", "an AVIF image", "heif"],
  ])("is an image format that is read, for %j", (head, name, format) => {
    expect(fileKind(bytes(head))).toEqual({ name, format });
  });

  it.each([
    ["", "an empty file", "copy it again"],
    ["\0\0\0\0\0\0\0\0", "a file of zero bytes", "copy it again"],
    ["version https://git-lfs.github.com/spec/v1\noid sha256:0f", "a Git-LFS pointer", "git lfs pull"],
    ["\xef\xbb\xbf\n<!DOCTYPE html>\n<html>", "a web page (HTML)", "download"],
    ["<HTML><head>", "a web page (HTML)", "download"],
    ["<svg xmlns='http://www.w3.org/2000/svg'>", "an SVG drawing", "convert"],
    ["<?xml version='1.0'?>\n<!-- drawn -->\n<svg>", "an SVG drawing", "convert"],
    ["<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML", "download"],
    ["\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC image", "convert"],
    ["\0\0\0\x18ftypisom\0\0\0\0mp42", "a video", "frames"],
    ["\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image", "convert"],
    ["BM6\x10\x0e\0\0\0\0\x006\0\0\0", "a BMP image", "convert"],
    ["%PDF-1.7", "a PDF", "convert"],
    ["P6\n2 2\n255\n", "a Netpbm image", "convert"],
    ["PK\x03\x04\x14\0", "a ZIP archive", "unpack"],
    [`PK\x03\x04${"\x14\0".repeat(13)}[Content_Types].xml`, "a file of Excel or another office program", "CSV"],
    ["\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "a file of Excel or another office program", "CSV"],
    ["\x1f\x8b\x08", "a gzip archive", "unpack"],
  ])("names what is no image and says what to do, for %j", (head, name, advice) => {
    const kind = fileKind(bytes(head));
    expect(kind).toEqual({ name, advice: expect.stringContaining(advice) });
  });

  it.each([
    ['{"error": "not found"}', "JSON"],
    ["Not found\n", "text"],
    ["café", "text"],
    ["PAR1\x15\x04", "a Parquet file"],
    ["\x40\0\0\0\0\0\0\0{}", "a safetensors file"],
    ["\x01\x02\x03", "a file of no known kind"],
    ["RIFF", "text"],
  ])("names other files, for %j", (head, name) => {
    expect(fileKind(bytes(head))).toEqual({ name });
  });

  it("says how text in UTF-16 becomes readable, with a byte-order mark or without", () => {
    for (const head of ["\xff\xfeh\0i\0", "h\0i\0\n\0", "\0h\0i\0\n"])
      expect(fileKind(bytes(head))).toEqual({ name: "text in UTF-16", advice: "save it as UTF-8" });
  });

  it("is nothing that a reader of text minds, for text, JSON and tables", () => {
    for (const head of ["id,image\n", '{"id"', "P3 is a label\n", "名前,画像\n"])
      expect(kindInsteadOfText(Buffer.from(head))).toBeUndefined();
    expect(kindInsteadOfText(Buffer.from("PK\x03\x04"))).toBe("a ZIP archive; unpack it first");
    expect(kindInsteadOfText(Buffer.from(""))).toBe("an empty file; download or copy it again");
  });

  it("is found in the first bytes, however long the file", () => {
    const long = Buffer.concat([bytes("<!-- "), Buffer.alloc(2 ** 24, "x")]);
    expect(fileKind(long)).toEqual({ name: "text" });
  });
});

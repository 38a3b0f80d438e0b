import { element } from "./element.js";

const MIB = 2 ** 20;
const BASE64_GROWTH = 4 / 3;

/** Files that go with the next question, each checked against the server's limits. */
export class Attachments {
  #list;
  #offer;

  constructor(list, offer) {
    this.#list = list;
    this.#offer = offer;
    this.files = [];
  }

  /** Add files; return why those that were left out were. `sent` went with earlier questions. */
  async add(files, sent) {
    const complaints = [];
    for (const file of files) {
      const kind = this.#kind(file.type);
      const why = this.#objection(file, kind, sent) || (await this.#tooWide(file, kind));
      if (why) complaints.push(`${file.name}: ${why}`);
      else this.#take({ file, kind, name: file.name, size: file.size, url: URL.createObjectURL(file) });
    }
    return complaints.join(" ");
  }

  /** Hand the files over, and have none. */
  give() {
    const given = this.files;
    this.files = [];
    this.#list.replaceChildren();
    return given;
  }

  #kind(type) {
    const { picture_types: pictures, video_types: videos } = this.#offer;
    if (Object.values(pictures).includes(type)) return "image";
    return Object.values(videos).includes(type) ? "video" : "";
  }

  #objection(file, kind, sent) {
    const offer = this.#offer;
    const all = [...sent, ...this.files];
    const count = all.filter((each) => each.kind === kind).length + 1;
    const bytes = all.reduce((sum, each) => sum + each.size, file.size) * BASE64_GROWTH;
    const formats = [offer.picture_types, offer.video_types].flatMap(Object.keys).join(", ");
    const most = kind === "video" ? offer.max_videos : offer.max_images;
    const noun = kind === "video" ? "video" : "picture";
    if (!kind) return `this is none of ${formats}.`;
    if (!file.size) return "this file is empty.";
    if (file.size > offer.max_media_bytes) {
      return `${mib(file.size)} is over the limit of ${mib(offer.max_media_bytes)}.`;
    }
    if (count > most) return `a conversation holds at most ${most} ${noun}${most === 1 ? "" : "s"}.`;
    if (bytes > offer.max_body_bytes) {
      return `together the files are over the limit of ${mib(offer.max_body_bytes)}.`;
    }
    return "";
  }

  async #tooWide(file, kind) {
    if (kind !== "image") return "";
    const most = this.#offer.max_image_side;
    const picture = await createImageBitmap(file).catch(() => null);
    if (!picture) return "this cannot be read as a picture.";
    const { width, height } = picture;
    picture.close();
    return Math.max(width, height) > most
      ? `${width} × ${height} pixels; the limit is ${most} a side.`
      : "";
  }

  #take(attached) {
    const { name, kind, url } = attached;
    const seen = kind === "video" ? element("video", { src: url, "aria-label": name }) : element("img", { src: url, alt: name });
    const remove = element("button", { type: "button", "aria-label": `Remove ${name}` }, "×");
    const item = element("li", {}, seen, remove);
    remove.addEventListener("click", () => {
      this.files = this.files.filter((each) => each !== attached);
      URL.revokeObjectURL(url);
      item.remove();
    });
    this.files.push(attached);
    this.#list.append(item);
  }
}

/** Return a file's part of a message. */
export async function partOf({ file, kind }) {
  const url = await dataUrl(file);
  return kind === "video"
    ? { type: "video_url", video_url: { url } }
    : { type: "image_url", image_url: { url } };
}

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

const mib = (bytes) => `${Number((bytes / MIB).toFixed(1))} MiB`;

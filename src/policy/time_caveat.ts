// The condition `time`: days of the week and hours of the day.
// It must never read a clock: the moment comes with the question.

import { z } from "zod";
import type { CaveatMatch } from "./caveat.ts";

const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
const MINUTES_PER_DAY = 24 * 60;
const hour = z.string().regex(/^(?:[01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$/, "write hours as HH:MM");

/** Value of `time`; a window that ends before it starts runs over midnight and belongs to the day it starts on. */
export const TimeSchema = z
  .strictObject({
    days: z.array(z.enum(DAYS)).min(1).max(7).optional(),
    from: hour.optional(),
    to: hour.optional(),
    zone: z.enum(["UTC", "local"]).default("UTC"),
  })
  .refine((time) => time.days ?? time.from ?? time.to, {
    error: "time needs at least one of days, from, to",
  })
  .refine((time) => minuteOf(time.from ?? "00:00") !== minuteOf(time.to ?? "24:00"), {
    error: "`from` and `to` are the same moment",
  });

/** Compiles a time window. */
export function compileTime(time: z.output<typeof TimeSchema>): (now_ms: number) => CaveatMatch {
  const from = minuteOf(time.from ?? "00:00");
  const to = minuteOf(time.to ?? "24:00");
  const days = new Set((time.days ?? DAYS).map((day) => DAYS.indexOf(day)));
  return (nowMs) => {
    const date = new Date(nowMs);
    if (Number.isNaN(date.getTime())) return "unknown";
    const isUtc = time.zone === "UTC";
    const day = isUtc ? date.getUTCDay() : date.getDay();
    const minute = isUtc
      ? date.getUTCHours() * 60 + date.getUTCMinutes()
      : date.getHours() * 60 + date.getMinutes();
    if (from < to) return days.has(day) && minute >= from && minute < to ? "holds" : "fails";
    const isEvening = minute >= from && days.has(day);
    const isMorning = minute < to && days.has((day + 6) % 7);
    return isEvening || isMorning ? "holds" : "fails";
  };
}

function minuteOf(text: string): number {
  const minutes = Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
  return Math.min(minutes, MINUTES_PER_DAY);
}

import { expect, test } from "bun:test";
import { TURN_BYTES, Turn } from "./turn.ts";

test("over is undefined until a turn's bytes are sent, whoever sends them", () => {
  const turn = new Turn();
  for (let sent = 0; sent < TURN_BYTES - 1024; sent += 1024) {
    turn.count(1024);
    expect(turn.over).toBeUndefined();
  }
  turn.count(1024);
  expect(turn.over).toBeInstanceOf(Promise);
});

test("over resolves when others have had their turn, and then lets as much be sent again", async () => {
  const turn = new Turn();
  turn.count(TURN_BYTES);
  let hasHadTurn = false;
  setImmediate(() => {
    hasHadTurn = true;
  });
  await turn.over;
  expect(hasHadTurn || turn.over === undefined).toBeTrue();
  turn.count(TURN_BYTES - 1);
  expect(turn.over).toBeUndefined();
});

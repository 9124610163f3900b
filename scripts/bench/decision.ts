// How long policy takes to decide with 1,000 rules that could apply.

import { decide, type Question } from "../../src/policy/decide.ts";
import { questionOf, rulesOf } from "../../src/policy/policy.fixture.ts";
import { interleave, quantile, type Row } from "./row.ts";

const RULES = 1000;
const QUESTIONS = 50_000;

/** The row `decide`. */
export const decision: Row = {
  id: "decide",
  async measure(site) {
    const policy = await rulesOf(rules());
    const questions = Array.from({ length: 1000 }, (_, index) => question(index));
    const sample = () => {
      const times = new Float64Array(QUESTIONS);
      for (let index = 0; index < QUESTIONS; index++) {
        const asked = questions[index % questions.length] as Question;
        const startNs = Bun.nanoseconds();
        decide(policy, asked);
        times[index] = (Bun.nanoseconds() - startNs) / 1000;
      }
      return quantile([...times], 0.99);
    };
    const of = await interleave([{ name: "p99", sample }], site.rounds(5));
    return [
      {
        what: "decide() at 1,000 rules, p99",
        against: "",
        ours: `${of("p99").toFixed(2)} µs`,
        ratio: of("p99"),
        unit: " µs",
        reach: { most: 10 },
      },
    ];
  },
};

/** Rules as people write them: most name a folder, some a pattern anywhere, some deny, all for the operation asked about. */
function rules(): string {
  return Array.from({ length: RULES }, (_, index) => {
    const verdict = index % 10 === 0 ? "deny" : "allow";
    const resource =
      index % 25 === 0
        ? `fs:workspace/**/private-${index}/*`
        : `fs:workspace/project-${index}/src/**`;
    return `- ${verdict}: [fs.read, fs.write]\n  on: ["${resource}"]\n`;
  }).join("");
}

function question(index: number): Question {
  return questionOf({
    accesses: [{ resource: `fs:workspace/project-${index}/src/deep/er/file-${index}.ts` }],
  });
}

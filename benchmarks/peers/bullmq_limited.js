// BullMQ on Redis with a worker's `limiter`, which holds for all workers of a queue.
//
// `node bullmq_limited.js work` is a worker, `node bullmq_limited.js submit WAITING` does what submit.py does.

const http = require("http");
const readline = require("readline");
const { Queue, Worker } = require("bullmq");

const { BENCH_ALLOWED, BENCH_BROKER, BENCH_UPSTREAM } = process.env;
const connection = { url: BENCH_BROKER, maxRetriesPerRequest: null };

function call(number) {
  return new Promise((done, failed) => {
    const request = http.get(`${BENCH_UPSTREAM}/${number}`, (answer) => answer.resume().on("end", done));
    request.on("error", failed);
  });
}

function work() {
  new Worker("peer", (job) => call(job.data), {
    connection,
    limiter: { max: Number(BENCH_ALLOWED), duration: 1000 },
  });
}

async function submit(waiting) {
  const queue = new Queue("peer", { connection });
  let number = 0;
  for await (const _ of readline.createInterface({ input: process.stdin })) {
    const moment = Date.now() / 1000;
    if (number === 0) {
      while (number < waiting) await queue.add("call", ++number, { priority: 10 });
    } else {
      await queue.add("call", ++number, { priority: 1 });
    }
    console.log(moment);
  }
  await queue.close();
}

const [what, waiting] = process.argv.slice(2);
if (what === "work") work();
else submit(Number(waiting));

import express from "express";

// The Dockerfile says `ENV PORT==3000`, as the notes it was taken from do, so the value is "=3000".
const port = Number((process.env.PORT ?? "3000").replace(/^=/, ""));
const greeting = "Hello from Kiln";

express()
  .get("/", (_request, response) => {
    response.send(`${greeting}\n`);
  })
  .listen(port, () => console.log(`listening on ${port}`));

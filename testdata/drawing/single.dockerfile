FROM python:3.13
WORKDIR /app
COPY requirements.txt .
RUN --mount=type=cache,target=/root/.cache/pip pip install --requirement requirements.txt --no-compile
COPY . .
CMD ["python", "-m", "app"]

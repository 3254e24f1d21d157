# mmsent with its server, for a CPU. The run folder is mounted at /work/runs.
FROM python:3.12-slim
WORKDIR /opt/mmsent
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY mmsent_cli ./mmsent_cli
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu -c constraints.txt '.[serve,explain]'
# The cache folder belongs to the user, so that a volume mounted there does as well.
RUN useradd --create-home user && mkdir -p /home/user/.cache && chown -R user:user /home/user/.cache
USER user
WORKDIR /work
EXPOSE 8000
CMD ["mmsent", "serve", "--host", "0.0.0.0", "--offline"]

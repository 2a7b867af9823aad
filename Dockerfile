# The controller and the command line in one image: `docker build -t tenantry:0.1.0 .`

FROM rust:1.95-bookworm AS build
WORKDIR /src
# Dependencies in a layer of their own: they change less often than the sources.
COPY Cargo.toml Cargo.lock ./
# Named in Cargo.toml, so cargo wants to see it.
COPY benches benches
RUN mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
    && cargo build --release --locked \
    && rm -r src
COPY src src
# The files of the first build are newer than those just copied.
RUN touch src/main.rs src/lib.rs && cargo build --release --locked

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/tenantry /usr/local/bin/tenantry
# The same number as in manifests/base: Kubernetes checks "not root" by number.
USER 65532:65532
WORKDIR /tmp
EXPOSE 8080 9090
ENTRYPOINT ["/usr/local/bin/tenantry"]
CMD ["run"]

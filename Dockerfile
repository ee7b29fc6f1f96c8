# Graft in an image of its own: the program, certificates to fetch weights with, nothing else.
#
#   docker build -t graft .
#   docker run --rm -v "$PWD:/data" graft train photos --model squeezenet1_1
#   docker run --rm -v "$PWD:/data" graft predict runs/photos-squeezenet1_1 new.jpg
#
# /data is the working directory; /cache keeps weights (-v graft-cache:/cache). Add --user "$(id -u):$(id -g)" to own the files.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /graft ./cmd/graft
RUN mkdir -m 1777 /empty

FROM scratch
COPY --from=build /graft /graft
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /empty /tmp
COPY --from=build /empty /cache
COPY --from=build /empty /data
ENV GRAFT_CACHE=/cache
WORKDIR /data
ENTRYPOINT ["/graft"]

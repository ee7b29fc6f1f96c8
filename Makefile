# What people type often. CI runs .ci/run, which says what must hold.

.PHONY: build test race lint generate cross python-check peer demo

build:
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/graft ./cmd/graft

test:
	go test ./...

race:
	go test -race -short ./internal/dataset ./internal/train ./cmd/graft .

lint:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w"; exit 1; }
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

# Assembly and stubs are written by a program; CI compares them with what is committed.
generate:
	go generate ./internal/engine/cpu/kernel

cross:
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 go build -o /dev/null ./cmd/graft
	CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 go build -o /dev/null ./cmd/graft
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go build -o /dev/null ./cmd/graft

# Loads a model that graft trained into torchvision's network and compares logits.
python-check: build
	python3 bench/peer/check.py

# Graft beside PyTorch, in one run.
peer:
	python3 bench/peer/peer.py

demo:
	go run ./cmd/graft demo

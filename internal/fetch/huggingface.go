package fetch

import (
	"fmt"
	"os"
	"strings"
)

// HuggingFace is a file of a model's repository there: repo is OWNER/NAME, with
// @REVISION behind it for another than main. Like their own programs it asks
// $HF_ENDPOINT where that is set: a mirror. What comes has no published checksum.
func HuggingFace(repo, file string) (File, error) {
	name, revision, _ := strings.Cut(repo, "@")
	owner, model, ok := strings.Cut(name, "/")
	if !ok || owner == "" || model == "" || strings.Contains(model, "/") || strings.ContainsAny(repo, " ?#%\\") || strings.Contains(repo, "..") {
		return File{}, fmt.Errorf("%q names no model: it is OWNER/NAME, as in timm/resnet50.a1_in1k", repo)
	}
	if revision == "" {
		revision = "main"
	}
	endpoint := strings.TrimRight(os.Getenv("HF_ENDPOINT"), "/")
	if endpoint == "" {
		endpoint = "https://huggingface.co"
	}
	return File{
		Name: "huggingface/" + strings.Join([]string{owner, model, strings.ReplaceAll(revision, "/", "-"), file}, "--"),
		URL:  fmt.Sprintf("%s/%s/%s/resolve/%s/%s", endpoint, owner, model, revision, file),
	}, nil
}

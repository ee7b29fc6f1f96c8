package main

import "github.com/spf13/cobra"

// newHelpJSON is the help topic "json": what scripts may rely on.
func newHelpJSON() *cobra.Command {
	return &cobra.Command{
		Use:   "json",
		Short: "What --json prints: names that scripts may rely on",
		Long: `With --json standard output has one JSON object a line and nothing else; notes go to standard error.
New names may be added, these stay:

train    {"event":"epoch","epoch":1,"loss":0.9,"train_acc":0.6,"test_acc":0.8,"img_s":40.1}   one an epoch
         also val_acc and val_loss where there are validation pictures, test_loss, lr, best, seconds (since the run began)
         {"event":"done","run":DIR,"best_epoch":3,"best_test_acc":0.86,"test_acc":0.85,"train_acc":0.9,"loss":0.2,"img_s":40.1}
         train_acc is running, over augmented batches; img_s counts training steps, waits for data included;
         stages is [{"name":"training","seconds":4.6},...], where the time went; "interrupted":true after Ctrl-C; "head_acc" of --recipe fast is the output layer's alone
         seconds is training and judging, earlier processes' share included
         with --folds {"event":"fold","fold":1,"of":5,"run":DIR,"finished":false} before each fold's epochs, then
         {"event":"folds","run":DIR,"folds":5,"accuracy":0.9,"interval":[0.88,0.92],"n":1000,"accuracies":[..],"best_chosen_on":"val","seconds":120.5}
         best_chosen_on is val, test, or none where the last epoch is kept (--choose last)
compare  {"runs":[{"run":R,"model":M,"recipe":N,"data":D,"seed":0,"train":270,"epochs":8,"best_epoch":5,"accuracy":0.9,"interval":[0.86,0.94],"n":200,
         "part":"test","best_chosen_on":"val","seconds":30.2,"img_s":250}],"pairs":[{"a":R,"b":R,"comparable":true,"n":200,"both":170,"only_a":5,"only_b":9,
         "neither":16,"p":0.42,"p_adjusted":0.42,"difference":0.02,"verdict":TEXT}],"curves":F}; difference is b's accuracy less a's; "why" where not comparable
predict  {"path":P,"label":L,"prob":0.98,"topk":[{"label":L,"prob":0.98},...]}
         prob is calibrated unless --raw; where asked also "unknown":true with the label unknown, "reason":"unsure" or "unlike",
         "ood" (above 1 is unlike the training pictures), "set":[L,...]; --out FILE.jsonl has the same lines
         {"path":P,"error":E}; the rest go on, and the exit code is 1
explain  {"path":P,"label":L,"prob":0.98,"class":C,"class_prob":0.98,"image":F,"width":13,"height":13,"heat":[..],"nearest":[{"path":P,"label":L,"cosine":0.9},...]}
         heat has height rows of width values from 0 to 1 over the square that the network sees; nearest is of a run's training pictures
report   {"report":"runs/photos-resnet18/report.html"}
eval     {"accuracy":0.85,"loss":0.4,"n":200,"classes":[{"name":N,"precision":P,"recall":R,"f1":F,"support":S}],"confusion":[[..]]}
         interval is the 95 % one (Wilson) of the accuracy; temperature, ece, ece_raw, covered and set_size (docs/unknown.md); confusion has a row for each class as it is, a column for each as answered; part says which pictures
export   {"path":F,"bytes":2908734,"card":F,"kept":false,"proof":{"with":"onnxruntime 1.32.0","pictures":200,"from":S,"agree":200,"worst":3e-7,"limit":1e-3}}
         kept: the model card was there already; worst: the largest difference of a probability
check    {"data":D,"pictures":1200,"classes":[{"name":N,"train":500,"val":0,"test":100}],"findings":[{"kind":"leak","text":T,
         "groups":[{"pictures":[{"path":P,"part":"test","class":C},...],"why":W,"advice":"remove"}]}],"sheets":[F,...]}
         with --run also "labels":{"pictures":1200,"agreement":0.9,"estimate":21.5,"joint":[[..]]}: rows as labelled, columns as estimated
         kinds: unreadable, leak, valid-in-test, duplicate, label-conflict and with near- before these four, tiny, dark, flat, blurred, odd-shape,
         wrong-extension, rotated, imbalance, few, label, and those of opening (hidden, loose, class-empty, ...); advice: keep, remove, relabel, rename, look
bench    {"model":M,"batch":32,"threads":2,"isa":"avx512","train_img_s":20,"infer_img_s":60,"peak_gflops":230,"train_roof":0.9,"infer_roof":0.9}
         with --only the other's are 0; precision says which
bench --data
         {"data":D,"model":M,"decoding":"exact","pictures":256,"kb":53,"megapixels":0.2,"threads":2,"read_ms":0.5,"decode_ms":4.7,"transform_ms":1.8,
         "normalise_ms":0.1,"engine_ms":8.4,"loading_img_s":280,"training_img_s":120}; of one processor, engine_ms of all;
         megapixels as decoded (decoding: exact or fast)
bench --layers
         {"model":M,"mode":"train","batch":32,"step_ms":500,"peak_gflops":500,"peak_gb_s":60,"layers":[{"layer":L,"op":O,"pass":"forward",
         "kernel":K,"ms":9,"gflop":7,"mb":50,"gflops":800,"gb_s":6,"bound":"compute","roof":1.6,"share":0.02},...]}; with --compare
         also before_ms and ratio (the earlier time over this one) in layers, ratio of the whole step
lr-find  {"model":M,"lr":0.002,"head_lr_x":2,"steepest":3e-05,"diverged":true,"plot":F,"points":[{"lr":1e-06,"loss":2.6,"smooth":2.6},...]}
         lr is the one to use; the output layer learnt at lr times head_lr_x
plan     {"model":M,"batch":64,"part":22,"parts":3,"arena":B,"kept":B,"weights":B,"gradients":B,"momentum":B,"scratch":B,"total":B,
         "loading":B,"tensors":[{"name":N,"node":L,"shape":[56,56,64],"bytes":B,"first":3,"last":200,"place":0,"kept":true},...]}; in bytes
doctor   {"what":"memory","health":"ok","found":"12.0 GB free","advice":A}; health: ok, note, bad; what: processor, speed, memory, cache, cache disk,
         weights, runs disk, network

Exit codes: 0 done, 1 failed, 2 usage, 130 interrupted.`,
	}
}

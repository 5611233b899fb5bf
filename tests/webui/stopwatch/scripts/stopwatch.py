"""Reports the time that a job spends in the models (text encoders, UNet, VAE decoder): seconds, and CPU seconds."""

import time

import numpy
from modules import scripts


def read_clocks():
    return numpy.array([time.perf_counter(), time.thread_time()])


class Stopwatch(scripts.Script):
    def title(self):
        return "Stopwatch"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def process(self, p):
        self.seconds, model = numpy.zeros(2), p.sd_model
        encoders = getattr(model, "conditioner", None) or model.cond_stage_model
        parts = [encoders, model.model.diffusion_model, model.first_stage_model.decoder]
        self.hooks = [part.register_forward_pre_hook(self.start) for part in parts]
        self.hooks += [part.register_forward_hook(self.stop) for part in parts]

    def start(self, *_):
        self.started = read_clocks()

    def stop(self, *_):
        self.seconds += read_clocks() - self.started

    def postprocess(self, p, processed):
        for hook in self.hooks:
            hook.remove()
        processed.extra_generation_params["model seconds"] = self.seconds.tolist()

"""SplitFed: a classifier cut in two, whose front clients train together with a server.

Thapa, Mahawaga Arachchige, Camtepe, Sun: "SplitFed: When Federated Learning Meets Split
Learning", AAAI 2022, https://arxiv.org/abs/2004.12088.

Every client computes the first layers of a network on its own samples and sends the
activations with the labels. The server computes the rest, takes a step, and returns the
gradient of the activations, with which the client takes its step. At the end of a round the
clients' parts are averaged by data size. A client thus trains a fraction of the network, and
no image leaves it; its labels do, and activations near the input show much of an image.

===========================================  =============================================
client's part W^C, server's part W^S         ``network.split_classifier``
smashed data A and labels Y                  ``wire.frame_spec``
forward and backward pass of a client        ``members.SplitFedMembers``
server step of V1, clients in parallel       ``engine.SplitFedEngine``, ``server_part.ServerPart``
server step of V2, one client after another  ``engine.SplitFedEngine``
mean of W^S (V1) and of W^C (both)           ``server.SplitFedServer.aggregate``
===========================================  =============================================

Where this differs from the paper or from what others do:

* **Rounds in steps.** A round is a number of steps, the same for all clients, by default as
  many as the largest client needs for one pass; smaller ones pass over their samples more
  than once. In the paper each client makes its own number of passes.
* **One batch of each client per step.** In V2 the server takes one batch of every client, in
  an order drawn anew for each step, before anyone's next one. Going through all batches of a
  client first, as some code does, makes the server forget the clients before.
* **Optimiser.** SGD with momentum, whose buffers last for the run: a client keeps its own,
  and the buffers of the server's copies are averaged with their weights. A buffer that is
  made anew for every batch is no momentum.
* **Scale of gradients.** With ``gradient-scale="pool"`` a client receives its slice of the
  gradient of the mean over all clients' samples, which is what concatenating their
  activations gives (MocoSFL does that). The server then needs no copies; clients move by one
  over the number of clients.
* **Who averages.** The server that computes W^S averages the clients' parts too. The paper
  gives them to a second server, so that no one holds both activations and client models.
* **Sampling.** A round's pool is drawn from all clients (``participation``); exactly those
  that reply are averaged.
* **Late clients.** A step takes place without a client whose activations come too late.
"""

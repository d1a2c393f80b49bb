using Gateway.PowerLoss.Chain;
using Gateway.PowerLoss.Images;

var root = ImagesCommand.Create();
root.Subcommands.Add(ChainCommand.Create());
return await root.Parse(args).InvokeAsync();

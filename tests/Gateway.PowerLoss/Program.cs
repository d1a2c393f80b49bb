using Gateway.PowerLoss.Images;

return ImagesCommand.Create().Parse(args).Invoke();
